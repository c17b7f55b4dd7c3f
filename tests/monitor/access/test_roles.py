from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, Group, User
from django.test import TestCase

from monitor.access.roles import Role, has_role, role_of
from tests.monitor.rows import make_user


class RoleTestCase(TestCase):
    def test_a_migration_makes_a_group_for_each_role(self) -> None:
        names = set(Group.objects.values_list("name", flat=True))
        self.assertLessEqual({role.group_name for role in Role}, names)

    def test_the_role_is_the_highest_group(self) -> None:
        for groups, expected in [
            ([], Role.VIEWER),
            (["somebody elses group"], Role.VIEWER),
            (["viewer"], Role.VIEWER),
            (["viewer", "operator"], Role.OPERATOR),
            (["admin", "viewer"], Role.ADMIN),
        ]:
            with self.subTest(groups):
                user = make_user(f"user of {len(groups)} {groups}"[:150])
                for name in groups:
                    user.groups.add(Group.objects.get_or_create(name=name)[0])
                self.assertEqual(role_of(user), expected)

    def test_a_superuser_is_admin_without_a_group(self) -> None:
        self.assertEqual(role_of(User.objects.create_superuser("root")), Role.ADMIN)

    def test_nobody_has_no_role(self) -> None:
        self.assertIsNone(role_of(AnonymousUser()))
        self.assertFalse(has_role(AnonymousUser(), Role.VIEWER))

    def test_a_dismissed_user_has_no_role(self) -> None:
        self.assertIsNone(role_of(User(username="left", is_active=False, is_superuser=True)))

    def test_each_role_may_do_what_the_ones_below_may(self) -> None:
        olga = make_user("olga", "operator")
        self.assertEqual([has_role(olga, role) for role in Role], [True, True, False])

    def test_the_role_is_loaded_once_per_request(self) -> None:
        olga = make_user("olga", "operator")
        with self.assertNumQueries(1):
            role_of(olga)
            role_of(olga)

    def test_admins_may_configure_and_only_look_at_history(self) -> None:
        held = Group.objects.get(name="admin").permissions.values_list("codename", flat=True)
        self.assertIn("change_instance", held)
        self.assertIn("add_repository", held)
        self.assertIn("view_job", held)
        self.assertNotIn("change_job", held)
        self.assertNotIn("delete_backup", held)
