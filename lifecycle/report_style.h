/* The report's style sheet. */
#ifndef IG_LIFECYCLE_REPORT_STYLE_H
#define IG_LIFECYCLE_REPORT_STYLE_H

extern const char ig_report_style[];

#endif
