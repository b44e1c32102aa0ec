"""What a careful reader would remark: missing, unusual, one-sided, vague."""
