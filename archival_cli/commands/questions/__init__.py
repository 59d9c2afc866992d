"""Questions over archived and live rows, and files of them."""
