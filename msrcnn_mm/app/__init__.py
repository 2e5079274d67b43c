"""A local page that shows what a model finds in an image, by any score and threshold."""
