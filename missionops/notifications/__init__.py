"""Telling people: what the notify file says, what is due, and the targets that it is sent to."""
