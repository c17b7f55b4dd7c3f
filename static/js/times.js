// Adds the reader's own time to the title of every <time>: the page itself speaks UTC.
const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function addLocalTime(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.title = `${LOCAL.format(moment)}\n${time.title}`;
    time.dataset.local = "";
  }
}

addLocalTime(document);
document.addEventListener("htmx:load", (event) => addLocalTime(event.detail.elt));
