"""What nobody needs any more goes: what crashes left, what has expired, and entries that everybody has read."""
