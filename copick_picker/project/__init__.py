"""The only package that knows copick, zarr, the portal and files."""
