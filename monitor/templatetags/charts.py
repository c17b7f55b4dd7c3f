"""How does a chart get onto a page? A frame, the figure as data, its words and rows beneath."""

from __future__ import annotations

from typing import Any

from django import template
from django.core.serializers.json import DjangoJSONEncoder
from django.templatetags.static import static
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString

from monitor.charts.figure import Figure
from monitor.plotly_files import SCRIPT

register = template.Library()

# plotly would write two style elements into the page, which the Content-Security-Policy forbids.
# Where elements of these ids exist it does not: css/charts.css has the few rules it needs, and
# maps are not drawn here. The second id is one of the script's version; a test looks for it.
STYLE_OF_PLOTS = "plotly.js-style-global"
STYLE_OF_MAPS = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53"


@register.simple_tag
def chart_scripts() -> SafeString:
    """Load what draws charts; only on pages that have one."""
    return format_html(
        '<meta id="{}" class="no-inline-styles"><meta id="{}">'
        '<script defer src="{}"></script><script type="module" src="{}"></script>',
        STYLE_OF_PLOTS,
        STYLE_OF_MAPS,
        static(f"plotly/{SCRIPT}"),
        static("js/charts.js"),
    )


class CompactEncoder(DjangoJSONEncoder):
    """JSON without the blanks that nobody reads: a tenth of a figure."""

    item_separator = ","
    key_separator = ":"


# Any: the context of the component's own template.
@register.inclusion_tag("components/chart.html")
def chart(name: str, title: str, *, figure: Figure, note: str = "") -> dict[str, Any]:
    """Draw a figure; beneath it the same in words and as a table."""
    mark = f"chart-{name}"
    drawing = json_script(figure.drawing, mark, encoder=CompactEncoder)
    return {"title": title, "figure": figure, "note": note, "mark": mark, "drawing": drawing}
