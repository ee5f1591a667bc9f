# mux/
