"""File formats that image sources, caption texts and stages share."""
