// Keeps the log at its end while new lines arrive, unless the reader has scrolled away.
const NEAR_THE_END_PX = 40;

const log = document.querySelector("[data-log]");
let following = true;

function toTheEnd() {
  log.scrollTop = log.scrollHeight;
}

if (log) {
  log.addEventListener("scroll", () => {
    following = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END_PX;
  });
  log.addEventListener("htmx:afterSettle", () => {
    if (following) toTheEnd();
  });
  toTheEnd();
}
