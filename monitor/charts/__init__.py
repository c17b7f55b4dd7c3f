"""Figures for pages, built by plotly and drawn by static/js/charts.js.

Colours are words of our own tokens, ``var(--chart-1)``: the script puts in what the reader's
theme says. No figure carries plotly's template, which would weigh more than the figures.
"""
