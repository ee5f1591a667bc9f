/* lib/scs_terms.h: what an ECMG announces for its channel, as an SCS obeys it (TS 103 197 5.4.3) */
#ifndef GW_SCS_TERMS_H
#define GW_SCS_TERMS_H
#include <stdint.h>

enum { SCS_NETWORK_MS = 500 };	/* what an answer may take on its way, on top of max_comp_time */
/* What an ECMG announced in channel_status and the timetable obeys; delays in ms, absent ones already replaced by the plain ones. */
struct scs_terms {
	uint8_t lead_CW, CW_per_msg, section_TSpkt_flag;
	int16_t delay_start, delay_stop, transition_delay_start, transition_delay_stop, AC_delay_start, AC_delay_stop;
	uint16_t ECM_rep_period, max_comp_time;	/* ms */
	uint16_t min_CP_duration;		/* x 100 ms */
	uint16_t max_streams;
};
#endif
