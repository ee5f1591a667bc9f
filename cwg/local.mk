# cwg/
