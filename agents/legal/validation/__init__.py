"""What is wrong whatever the reader thinks: open fields, clashes, dead references."""
