"""The page: templates, static files, and the words and charts that fill them."""
