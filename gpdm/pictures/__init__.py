"""Pictures as images of the core: Pillow pictures, and their channels."""
