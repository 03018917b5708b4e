// Shows times in the reader's zone and keeps the page fresh: the server renders
// every figure, the script fetches the same page again and swaps what changed.
"use strict";

(() => {
  const REFRESH_MS = 3000;
  const LATE_AFTER_MS = 30000;
  let heardAt = Date.now();

  const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const SHORT = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const DAY = { month: "short", day: "numeric" };

  // A time on the reader's own day (or on the day just named) needs no date;
  // all others are ambiguous without one.
  const local = (date, style, day = new Date()) => {
    const same = date.toDateString() === day.toDateString();
    const options = style === "clock" ? CLOCK : SHORT;
    return date.toLocaleString(undefined, same ? options : { ...DAY, ...options });
  };

  const showLocalTimes = (root) => {
    for (const element of root.querySelectorAll("time[data-style]")) {
      element.textContent = local(new Date(element.dateTime), element.dataset.style);
    }
  };

  // The element that has the focus may be replaced; its twin in the new
  // content is the one with the same id or address.
  const twin = (element, root) => {
    if (element.id) return root.querySelector(`#${CSS.escape(element.id)}`);
    const href = element.getAttribute("href");
    return href === null ? null : root.querySelector(`a[href="${CSS.escape(href)}"]`);
  };

  const scrolls = (root) =>
    [...root.querySelectorAll(".scroll")].map((element) => element.scrollLeft);

  const swap = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const offsets = scrolls(old);
    old.replaceChildren(...fresh.childNodes);
    old.querySelectorAll(".scroll").forEach((element, index) => {
      element.scrollLeft = offsets[index] || 0;
    });
    if (focused) twin(focused, old)?.focus({ preventScroll: true });
  };

  // A person who selects text would lose the selection.
  const isSelecting = () => {
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed;
  };

  const apply = (fresh) => {
    showLocalTimes(fresh);
    for (const old of document.querySelectorAll("[data-live]")) {
      const twinOfOld = fresh.getElementById(old.id);
      if (twinOfOld) swap(old, twinOfOld);
    }
    const data = document.getElementById("data");
    const freshData = fresh.getElementById("data");
    if (data && freshData) {
      data.textContent = freshData.textContent;
      document.dispatchEvent(new CustomEvent("fresh-data"));
    }
  };

  const structure = (root) =>
    [...root.querySelectorAll("main section[id], main section[aria-labelledby], main canvas")]
      .map((element) => element.id || element.getAttribute("aria-labelledby")).join();

  const refresh = async () => {
    if (document.hidden || isSelecting()) return;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      if (structure(fresh) !== structure(document)) { location.reload(); return; }
      apply(fresh);
      heardAt = Date.now();
    } catch {
      // The exporter is away: the page says so below and tries again.
    }
    document.documentElement.classList.toggle("late", Date.now() - heardAt > LATE_AFTER_MS);
  };

  showLocalTimes(document);
  window.goodputLocalTime = local;
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, REFRESH_MS);
})();
