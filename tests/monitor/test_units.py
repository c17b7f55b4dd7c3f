from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from django.test import SimpleTestCase

from monitor.templatetags.units import age_in_words, duration, moment, rate, ratio, size


class UnitsTestCase(SimpleTestCase):
    def test_an_age_is_written_in_one_unit(self) -> None:
        for length, expected in [
            (timedelta(seconds=-90), "in 1 min 30 s"),
            (timedelta(0), "just now"),
            (timedelta(seconds=9), "just now"),
            (timedelta(seconds=10), "10 s ago"),
            (timedelta(seconds=59), "59 s ago"),
            (timedelta(seconds=60), "1 min ago"),
            (timedelta(minutes=59, seconds=59), "59 min ago"),
            (timedelta(hours=1), "1 h ago"),
            (timedelta(hours=47, minutes=59), "47 h ago"),
            (timedelta(hours=48), "2 days ago"),
        ]:
            with self.subTest(str(length)):
                self.assertEqual(age_in_words(length), expected)

    def test_the_exact_figure_is_in_the_title(self) -> None:
        self.assertHTMLEqual(
            size(1_610_612_736),
            '<span title="1,610,612,736 bytes">1.5 GiB</span>',
        )
        self.assertHTMLEqual(rate(1024), '<span title="1,024 bytes per second">1.0 KiB/s</span>')
        self.assertHTMLEqual(
            duration(timedelta(milliseconds=55)), '<span title="0.055 seconds">55 ms</span>'
        )

    def test_a_moment_is_written_in_utc(self) -> None:
        at = datetime(2026, 3, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))
        self.assertHTMLEqual(
            moment(at),
            '<time datetime="2026-03-01T23:30:00Z" title="2026-03-01 23:30:00 UTC">'
            "2026-03-01 23:30:00 UTC</time>",
        )
        self.assertIn("2026-03-01T23:30", moment(at.astimezone(UTC)))

    def test_none_is_unknown(self) -> None:
        for write in (size, rate, duration, moment):
            self.assertIn("unknown", write(None))

    def test_a_ratio_of_nothing_is_unknown(self) -> None:
        self.assertEqual(ratio(300, 100), "3.0 : 1")
        self.assertEqual(ratio(300, 0), "unknown")
