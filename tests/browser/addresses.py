"""Where the pages are that show something without any telemetry, by their headings."""

PAGES = {
    "Fleet": "/#/",
    "Alarms": "/#/alarms",
    "Events": "/#/events",
    "Documents": "/#/docs",
    "Service": "/#/service",
    "Limits of SC-001": "/#/sc/SC-001/limits",
}
