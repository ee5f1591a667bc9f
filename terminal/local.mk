# terminal/
