// Shows a notice when live regions are no longer refreshed; pauses while the page is hidden.
const FAILURES_BEFORE_STALE = 2;
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

let failures = 0;
let updatedAt = new Date();

function show() {
  const stale = failures >= FAILURES_BEFORE_STALE;
  // A dashboard that silently stops updating is worse than one that is down.
  for (const region of document.querySelectorAll("[data-live]")) {
    region.classList.toggle("stale", stale);
  }
  const notice = document.querySelector("[data-stale-notice]");
  if (!notice) return;
  notice.querySelector("[data-stale-since]").textContent = CLOCK.format(updatedAt);
  notice.hidden = !stale;
}

function isLive(event) {
  // Not detail.elt: after a swap that is an ancestor, because the region itself was replaced.
  return event.detail.requestConfig?.elt?.matches("[data-live]") ?? false;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isLive(event) && document.visibilityState !== "visible") event.preventDefault();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!isLive(event)) return;
  if (event.detail.successful) updatedAt = new Date();
  failures = event.detail.successful ? 0 : failures + 1;
  show();
});
