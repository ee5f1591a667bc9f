# lib/: the server's side of SimulCrypt interfaces, for the programs that have it: an ECMG and a MUX as their peers see them
%C%_libgw_la_SOURCES += %D%/ecmg_channel.c %D%/ecmg_channel.h %D%/ecmg_face.c %D%/ecmg_face.h \
	%D%/mux_channel.c %D%/mux_face.c %D%/mux_face.h %D%/mux_format.c %D%/mux_format.h %D%/mux_intake.h %D%/mux_map.c %D%/mux_map.h \
	%D%/mux_stream.c %D%/mux_stream.h
