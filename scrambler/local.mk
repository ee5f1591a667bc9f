# scrambler/
