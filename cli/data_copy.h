/* Copying data sets into files of arrays. */
#ifndef IG_CLI_DATA_COPY_H
#define IG_CLI_DATA_COPY_H

#include "cli/data_report.h"

ig_status ig_data_convert(const ig_cli *cli, const ig_data_values *values);
ig_status ig_data_split(const ig_cli *cli, const ig_data_values *values);

#endif
