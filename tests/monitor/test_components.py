from __future__ import annotations

from django import forms
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.paginator import Paginator
from django.http import HttpRequest, QueryDict
from django.template import RequestContext, Template
from django.test import RequestFactory, SimpleTestCase

from backups.states import CopyStatus, JobStatus, StageStatus
from monitor.confirmations import name_confirmed
from monitor.sorting import read_sorting
from monitor.wording.tones import TONES, tone_of
from tests.markup import one_line

LOADS = "{% load components parts units %}"


def draw(source: str, address: str = "/", **context: object) -> str:
    request = RequestFactory().get(address)
    return Template(LOADS + source).render(RequestContext(request, context))


class SortingTestCase(SimpleTestCase):
    def test_only_columns_of_the_table_are_sorted_by(self) -> None:
        for query, column, descending in [
            ("", "state", False),
            ("sort=name", "name", False),
            ("sort=-name", "name", True),
            ("sort=password_token", "state", False),
            ("sort=--name", "state", False),
        ]:
            with self.subTest(query):
                found = read_sorting(QueryDict(query), ("name", "state"), "state")
                self.assertEqual((found.column, found.descending), (column, descending))

    def test_a_head_turns_its_own_order_and_keeps_the_filter(self) -> None:
        address = "/?state=attention&page=3&sort=name"
        sorting = read_sorting(QueryDict("sort=name"), ("name", "size"), "name")
        head = draw('{% sort_head sorting "name" "Instance" %}', address, sorting=sorting)
        self.assertIn('aria-sort="ascending"', head)
        self.assertIn("sort=-name", head)
        self.assertIn("state=attention", head)
        other = draw('{% sort_head sorting "size" "Size" "figure" %}', address, sorting=sorting)
        self.assertIn('<th scope="col" class="figure"><a href="', other)
        self.assertIn("sort=size", other)

    def test_it_becomes_an_order_of_rows(self) -> None:
        sorting = read_sorting(QueryDict("sort=-size"), ("size",), "size")
        self.assertEqual(sorting.order_by({"size": "stored_bytes"}), "-stored_bytes")


class TonesTestCase(SimpleTestCase):
    def test_every_status_has_one(self) -> None:
        statuses = {*JobStatus.values, *StageStatus.values, *CopyStatus.values}
        self.assertEqual(statuses - TONES.keys(), set())

    def test_a_word_nobody_listed_has_no_opinion(self) -> None:
        self.assertEqual(tone_of("whatever"), "idle")

    def test_a_badge_says_the_word_first(self) -> None:
        self.assertHTMLEqual(
            draw('{% badge "restore_test" %}'),
            '<span class="badge status-restore_test" data-tone="idle">restore test</span>',
        )


class PartsTestCase(SimpleTestCase):
    def test_long_names_are_whole_on_hover(self) -> None:
        self.assertEqual(draw("{% truncated name %}", name="<b>"), "&lt;b&gt;")
        drawn = draw("{% truncated name 10 %}", name="orders-archive")
        self.assertIn('title="orders-archive"', drawn)

    def test_breadcrumbs_end_with_the_page_itself(self) -> None:
        drawn = draw('{% breadcrumbs "Fleet" "/" name %}', name="<orders>")
        self.assertIn('<a href="/">Fleet</a>', drawn)
        self.assertIn('<li aria-current="page">&lt;orders&gt;</li>', drawn)

    def test_a_tile_with_an_address_can_be_pressed(self) -> None:
        self.assertIn("<div", draw('{% tile "Stored" "1 GiB" %}'))
        drawn = draw('{% tile "At risk" 3 tone="warn" address="?state=risk" current=True %}')
        self.assertIn(
            '<a href="?state=risk" class="tile" data-tone="warn" aria-current', one_line(drawn)
        )

    def test_a_pager_keeps_what_else_the_address_says(self) -> None:
        page = Paginator(range(45), 20).get_page(2)
        drawn = draw("{% pager page %}", "/?page=2&state=x", page=page)
        self.assertIn("Page 2 of 3 · 21–40 of 45", one_line(drawn))
        self.assertIn('href="?state=x&amp;page=1"', drawn)
        self.assertIn('href="?state=x&amp;page=3"', drawn)
        one = Paginator(range(5), 20).get_page(1)
        self.assertEqual(draw("{% pager page %}", page=one).strip(), "")

    def test_an_empty_state_says_what_to_do_next(self) -> None:
        source = '{% empty_state title icon="fleet" %}<p>Do it.</p>{% endempty_state %}'
        drawn = draw(source, title="No <job>")
        self.assertIn("No &lt;job&gt;", drawn)
        self.assertIn("<p>Do it.</p>", drawn)
        self.assertIn("icons.svg#fleet", drawn)

    def test_a_card_holds_its_block(self) -> None:
        drawn = draw('{% card "Facts" id="facts" %}<p>{{ word }}</p>{% endcard %}', word="<x>")
        self.assertIn('<section class="card" id="facts"><h2>Facts</h2><p>&lt;x&gt;</p>', drawn)


class PortForm(forms.Form):
    port = forms.IntegerField(max_value=65535, help_text="Where it listens.")
    note = forms.CharField(required=False)


class FieldTestCase(SimpleTestCase):
    def test_what_is_wrong_stands_at_the_field_and_is_read_with_it(self) -> None:
        drawn = draw("{% field form.port %}", form=PortForm({"port": "70000"}))
        self.assertIn('aria-invalid="true"', drawn)
        self.assertIn("id_port_error", drawn.split("aria-describedby=")[1].split(">")[0])
        self.assertIn("less than or equal to 65535", drawn)
        self.assertIn('id="id_port_helptext"', drawn)

    def test_what_may_be_left_out_says_so(self) -> None:
        self.assertIn("(optional)", draw("{% field form.note %}", form=PortForm()))
        self.assertNotIn("(optional)", draw("{% field form.port %}", form=PortForm()))


class ConfirmTestCase(SimpleTestCase):
    SOURCE = (
        '{% confirm "Purge" "/backups/7/purge/" name="shop-1" title="Purge it?" %}'
        "<p>All of it.</p>{% endconfirm %}"
    )

    def test_it_asks_for_the_name(self) -> None:
        drawn = draw(self.SOURCE)
        self.assertIn('data-must-equal="shop-1"', drawn)
        self.assertIn('<form method="post" action="/backups/7/purge/">', drawn)
        self.assertNotIn(" open>", drawn)

    def test_without_a_script_the_server_draws_it_open(self) -> None:
        drawn = draw(self.SOURCE, "/backups/7/?confirm=backups-7-purge&tab=copies")
        self.assertIn(" open>", drawn)
        self.assertIn('href="?tab=copies&amp;confirm=backups-7-purge"', drawn)

    def test_the_name_is_demanded_again_by_the_view(self) -> None:
        for typed, expected in [("shop-1", True), (" shop-1 ", True), ("shop", False), ("", False)]:
            with self.subTest(typed):
                self.assertEqual(name_confirmed(posted(typed), "shop-1"), expected)


def posted(typed: str) -> HttpRequest:
    request = RequestFactory().post("/", {"confirm_name": typed})
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    return request
