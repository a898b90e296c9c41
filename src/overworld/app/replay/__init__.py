"""`overworld replay`: real GPS tracks walked through a real server, each file by a player of its own."""
