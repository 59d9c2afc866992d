"""What crashes, lost messages and other people left undone or changed is found out and put right."""
