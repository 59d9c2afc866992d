"""What requests share: the types of their fields, cursors, limits, and the line that each leaves in the audit."""
