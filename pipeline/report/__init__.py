"""A run as a folder with a page to look at: `index.html`, and thumbnails beside it.

numbers.py       one pass over the table: what is counted of all rows, and which rows are shown
chosen_rows.py   those rows in full; source_images.py, thumbnails.py, looked.py: their images
sections.py      what the page says, as data; distribution.py: histograms of it
page.py          the page that shows it, of template/
report.py        all of it together
"""
