"""Figures for pages, built by plotly and rendered by static/js/charts.js.

Colours are CSS variables such as ``var(--chart-1)``, which the script replaces with those of the
theme. Figures have no plotly template, which would be larger than the figures.
"""
