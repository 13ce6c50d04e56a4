"""Pasting of crops into their photo: areas, colours, and the photo around them."""
