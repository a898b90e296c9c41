"""Makes `docs/reference/` from the code itself: one module a page; `script/docs reference` writes them."""
