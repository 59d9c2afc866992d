"""The whole service on this machine: embedded servers, the lake emulator and the function app, as child processes."""
