// Draws the page's figures with plotly, in the colours of the reader's theme.
const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false };
const dark = matchMedia("(prefers-color-scheme: dark)");

// A token may be light-dark(…): only a used colour says which of both it is.
function colourOf(word) {
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = word;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function withColours(part, known = new Map()) {
  if (typeof part === "string" && part.startsWith("var(--")) {
    if (!known.has(part)) known.set(part, colourOf(part));
    return known.get(part);
  }
  if (Array.isArray(part)) return part.map((inner) => withColours(inner, known));
  if (part === null || typeof part !== "object") return part;
  return Object.fromEntries(
    Object.entries(part).map(([name, inner]) => [name, withColours(inner, known)]),
  );
}

function draw(canvas) {
  const written = document.getElementById(canvas.dataset.chart).textContent;
  const { data, layout } = withColours(JSON.parse(written));
  layout.font = { ...layout.font, family: getComputedStyle(document.body).fontFamily };
  if (!canvas.classList.contains("js-plotly-plot")) canvas.replaceChildren();
  globalThis.Plotly.react(canvas, data, layout, CONFIG);
}

function drawAll() {
  document.querySelectorAll("[data-chart]").forEach(draw);
}

drawAll();
// A live region has brought newer data for a chart.
document.addEventListener("htmx:afterSwap", (event) => {
  event.detail.target.querySelectorAll("[data-chart]").forEach(draw);
});
dark.addEventListener("change", drawAll);
