"""A run as a folder with a page to look at: `index.html`, and thumbnails beside it.

numbers.py       one pass over the table: what is counted of all rows, and which rows are shown
chosen_rows.py   those rows in full; source_images.py, thumbnails.py, looked.py: their images
sections.py      what the page says, as data; page.py, template/: the page that shows it
report.py        all of it together
"""
