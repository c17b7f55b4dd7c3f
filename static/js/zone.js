// Sends the browser's time zone to the server in a cookie, so that all times are shown in it.
const YEAR_SECONDS = 31536000;

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const known = document.cookie.split("; ").includes(`zone=${zone}`);

if (zone && !known) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  // Names of zones have no letter that a cookie would have to escape.
  document.cookie = `zone=${zone}; path=/; max-age=${YEAR_SECONDS}; samesite=lax${secure}`;
}
