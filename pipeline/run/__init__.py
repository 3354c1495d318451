"""What a captioning run is: its settings, its folder, its pinned plan, what of it is complete."""
