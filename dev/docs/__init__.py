"""Documentation that is made from the code it documents: `make docs`."""
