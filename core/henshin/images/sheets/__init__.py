"""Sheets: pictures laid out on a page, as tables with headings and as contact sheets."""
