// Keeps the log at its end while new lines arrive, unless the reader has scrolled away or
// cleared "follow"; selecting it again scrolls to the end.
const NEAR_THE_END_PX = 40;

const log = document.querySelector("[data-log]");
const follow = document.querySelector("[data-follow]");
const box = follow?.querySelector("input");

function toTheEnd() {
  log.scrollTop = log.scrollHeight;
}

if (log && box) {
  follow.hidden = !log.querySelector(".log-poll");
  log.addEventListener("scroll", () => {
    box.checked = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END_PX;
  });
  box.addEventListener("change", () => {
    if (box.checked) toTheEnd();
  });
  log.addEventListener("htmx:afterSettle", () => {
    if (box.checked) toTheEnd();
  });
  toTheEnd();
}
