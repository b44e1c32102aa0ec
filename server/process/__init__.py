"""The processes of a server: what each does to start, to listen and to end, and who watches over several."""
