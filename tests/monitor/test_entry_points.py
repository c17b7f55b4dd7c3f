"""Every address, every role, both methods: made from the URL table, so a new view is in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http.cookies import SimpleCookie

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import TestCase
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.timezone import now

from backups.models import Activity, Approval, InstanceGroup, Job, TableOpening
from backups.models.activity import Verb
from backups.models.wanted_copy import WantCause
from backups.states import JobStatus
from backups.transitions.wanted_copies import want_copy
from monitor.access.roles import Role
from tests.monitor.planning import make_addressed
from tests.monitor.rows import make_backup, make_instance, make_job, make_repository, make_user

# What a page of ours answers to whom. A POST that is accepted leads on to a page.
SEEN, LED_ON, FORBIDDEN, NOT_FOUND, WRONG_METHOD, FAULTY = 200, 302, 403, 404, 405, 422
METHODS = ("get", "post")
# They show themselves on GET, and take a POST.
FORMS = {
    "schedule-add", "schedule-edit", "channel-add", "channel-edit", "route-add", "route-edit",
    "silence-add", "silence-edit", "rule-setting-add", "rule-setting-edit",
    "setting-instance-add", "setting-instance-edit", "setting-repository-add",
    "setting-repository-edit", "setting-group-add", "setting-group-edit",
    "setting-objective-add", "setting-objective-edit",
}  # fmt: skip
# Asked with all that is typed, they answer with a part of the page.
PREVIEWS = {"schedule-preview", "silence-preview"}
# They do, of a folder that the job here does not have: they lead on to the job.
NO_FOLDER = {"kept-continue"}
# For operators, and only looks: a plan changes nothing.
LOOKS = {
    "restore-wizard", "table-restore", "backup-inside-stored", "backup-compare",
    "backup-compare-tables",
}  # fmt: skip
# Asked with nothing typed, there is no copy to restore.
NOT_THERE = {"restore-start"}
# Of the Django admin: they lead on by themselves.
OWN_ENTRY_POINTS = {"login", "logout", "password_change", "password_change_done"}


def walk(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    """Yield every page of ours, of included tables too; the Django admin guards its own."""
    for entry in patterns:
        if isinstance(entry, URLPattern):
            yield entry
        elif entry.namespace != "admin":
            yield from walk(entry.url_patterns)


def pages() -> list[URLPattern]:
    return list(walk(get_resolver().url_patterns))


class EntryPointsTestCase(TestCase):
    people: dict[Role | None, User | None]
    arguments: dict[str, str | int]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.people = {role: make_user(role.group_name, role.group_name) for role in Role}
        cls.people[None] = None
        # One name for all that is addressed by one.
        instance = make_instance("orders-1")
        InstanceGroup.objects.create(name=instance.name)
        copy = make_backup(instance, make_repository(instance.name))
        job = make_job(instance, JobStatus.RUNNING)
        later = make_backup(instance, copy.repository, age=timedelta(hours=1))
        cls.arguments = {
            "name": instance.name,
            "pk": job.pk,
            "label": copy.backup.label,
            "copy": copy.pk,
            "wanted": want_copy(copy.backup, make_repository("away"), WantCause.FAILED).pk,
            "approval": Approval.objects.create(
                kind="purge", repository=copy.repository, copy=copy, expires_at=now(), facts={}
            ).pk,
            "group": InstanceGroup.objects.create(name="shop").name,
            "opening": TableOpening.objects.create(
                copy=copy,
                schema="shop",
                name="orders",
                requested_by=Role.ADMIN.group_name,
                closed_at=now(),
            ).pk,
            "other": TableOpening.objects.create(
                copy=later,
                schema="shop",
                name="orders",
                requested_by=Role.ADMIN.group_name,
                closed_at=now(),
            ).pk,
            **make_addressed(instance),
        }

    def address(self, page: URLPattern) -> str:
        assert page.name, "every page needs a name"
        wanted = page.pattern.converters
        # A page with a word of another kind in its address: say above what to put there.
        kwargs = {name: self.arguments[name] for name in wanted}
        return reverse(page.name, kwargs=kwargs) + ("?after=0" if page.name == "job-log" else "")

    def setUp(self) -> None:
        # Each logs in once, for thousands of requests.
        self.logins: dict[Role | None, dict[str, str]] = {None: {}}
        name = settings.SESSION_COOKIE_NAME
        for role in Role:
            user = self.people[role]
            assert user
            client = self.client_class()
            client.force_login(user)
            self.logins[role] = {name: client.cookies[name].value}

    def ask(self, role: Role | None, method: str, address: str) -> int:
        self.client.cookies = SimpleCookie(self.logins[role])
        with transaction.atomic():
            code = int(getattr(self.client, method)(address).status_code)
            # What one deletes is there for the next.
            transaction.set_rollback(True)
        return code

    def test_every_page_says_who_may_use_it(self) -> None:
        silent = [page.name for page in pages() if not hasattr(page.callback, "rule")]
        self.assertEqual(silent, [], "say @needs(Role...) or @public")

    def test_every_page_answers_each_role_as_its_rule_says(self) -> None:
        for page in pages():
            rule = page.callback.rule  # type: ignore[attr-defined]
            if rule is None:
                continue
            # The role that may do everything shows which of the two methods the page takes.
            codes = {method: self.ask(Role.ADMIN, method, self.address(page)) for method in METHODS}
            taken = {method for method, code in codes.items() if code != WRONG_METHOD}
            self.assertEqual(len(taken), 2 if page.name in FORMS | NO_FOLDER else 1, page.name)
            for role in (None, *Role):
                for method in METHODS:
                    with self.subTest(f"{method} {page.name} as {role}"):
                        found = self.ask(role, method, self.address(page))
                        expected = self.expected(page, role, method, method in taken)
                        self.assertEqual(found, expected)

    def expected(self, page: URLPattern, role: Role | None, method: str, taken: bool) -> int:
        if not taken:
            return WRONG_METHOD
        if role is None:
            return LED_ON
        if role < page.callback.rule:  # type: ignore[attr-defined]
            return FORBIDDEN
        if page.name in NO_FOLDER:
            return LED_ON
        if method == "post" and page.name in FORMS | {"schedule-pause", "setting-instance-test"}:
            # Nothing was typed.
            return FAULTY
        if page.name in NOT_THERE:
            return NOT_FOUND
        return SEEN if method == "get" or page.name in PREVIEWS else LED_ON

    def test_only_these_are_open_to_everybody(self) -> None:
        found = {page.name for page in pages() if getattr(page.callback, "rule", 0) is None}
        self.assertEqual(found, {"login", "logout", "healthz"})

    def test_what_changes_something_is_not_for_viewers_and_takes_only_a_post(self) -> None:
        for page in pages():
            if (
                getattr(page.callback, "rule", None) == Role.OPERATOR
                and page.name not in FORMS | LOOKS | NO_FOLDER
            ):
                with self.subTest(page.name):
                    self.assertEqual(self.ask(Role.ADMIN, "get", self.address(page)), WRONG_METHOD)

    def test_who_may_not_changes_nothing(self) -> None:
        jobs = Job.objects.count()
        for page in pages():
            rule = getattr(page.callback, "rule", None)
            if rule is None or rule == Role.VIEWER:
                continue
            for role in (None, *(role for role in Role if role < rule)):
                self.ask(role, "post", self.address(page))
        self.assertEqual(Job.objects.count(), jobs)
        self.assertFalse(Job.objects.filter(cancel_requested=True).exists())
        logins = {Verb.LOGGED_IN, Verb.LOGGED_OUT}
        self.assertLessEqual(set(Activity.objects.values_list("verb", flat=True)), logins)

    def test_a_post_without_its_token_is_refused(self) -> None:
        strict = self.client_class(enforce_csrf_checks=True)
        admin = self.people[Role.ADMIN]
        assert admin
        strict.force_login(admin)
        for page in pages():
            if getattr(page.callback, "rule", None) in (Role.OPERATOR, Role.ADMIN):
                with self.subTest(page.name):
                    self.assertEqual(strict.post(self.address(page)).status_code, FORBIDDEN)

    def test_the_django_admin_is_for_admins(self) -> None:
        patterns, *_ = admin.site.urls
        inside = [
            reverse(f"admin:{page.name}")
            for page in walk(patterns)
            if page.name and page.name not in OWN_ENTRY_POINTS and not page.pattern.regex.groups
        ]
        self.assertGreater(len(inside), 20)
        for address in inside:
            with self.subTest(address):
                self.assertNotEqual(self.ask(Role.ADMIN, "get", address), LED_ON)
                for role in (None, Role.VIEWER, Role.OPERATOR):
                    self.assertEqual(self.ask(role, "get", address), LED_ON)
                    # Strangers land at the login, the others learn that they may not.
                    landed = self.client.get(address, follow=True)
                    self.assertEqual(landed.status_code, SEEN if role is None else FORBIDDEN)
