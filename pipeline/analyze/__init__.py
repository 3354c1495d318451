"""The two findings that the method rests on, measured on a captioned archive."""
