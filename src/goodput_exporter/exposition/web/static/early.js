// Runs before the first paint, so that the charts' tables do not flash.
document.documentElement.classList.add("script");
