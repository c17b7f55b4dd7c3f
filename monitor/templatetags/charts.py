"""How is a chart put on a page? A frame, the figure as data, its summary and rows below."""

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

# plotly would add two style elements to the page, which the Content-Security-Policy forbids. It
# does not if elements with these ids exist; css/charts.css has the few rules it needs. The second
# id depends on the version of the script; a test checks it.
STYLE_OF_PLOTS = "plotly.js-style-global"
STYLE_OF_MAPS = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53"


@register.simple_tag
def chart_scripts() -> SafeString:
    """Load the scripts for charts; only on pages that have one."""
    return format_html(
        '<meta id="{}" class="no-inline-styles"><meta id="{}">'
        '<script defer src="{}"></script><script type="module" src="{}"></script>',
        STYLE_OF_PLOTS,
        STYLE_OF_MAPS,
        static(f"plotly/{SCRIPT}"),
        static("js/charts.js"),
    )


class CompactEncoder(DjangoJSONEncoder):
    """JSON without spaces: they are a tenth of a figure."""

    item_separator = ","
    key_separator = ":"


# Any: the context of the component's own template.
@register.inclusion_tag("components/chart.html")
def chart(name: str, title: str, *, figure: Figure, note: str = "") -> dict[str, Any]:
    """Render a figure, with its summary and table below."""
    mark = f"chart-{name}"
    drawing = json_script(figure.drawing, mark, encoder=CompactEncoder)
    return {"title": title, "figure": figure, "note": note, "mark": mark, "drawing": drawing}
