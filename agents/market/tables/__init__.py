"""From files of many shapes to one table whose columns are known."""
