/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a fuzz target without libFuzzer: each file of a corpus, then inputs from a fixed seed. */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tap.h"

enum { INPUT_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

/* The input lies at the end of a block of its own, so that a sanitizer sees a read past it. */
static void
run(const uint8_t *bytes, size_t size)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	size_t i;

	if (data == NULL)
		return;
	for (i = 0; i < size; i++)
		data[i] = bytes[i];
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static unsigned int
run_files(const char *folder)
{
	static uint8_t bytes[INPUT_MAX];
	char path[4096];
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir = opendir(folder);

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		file = fopen(path, "rb");
		if (file == NULL)
			continue;
		run(bytes, fread(bytes, 1, sizeof(bytes), file));
		fclose(file);
		n++;
	}
	closedir(dir);
	return n;
}

static void
run_generated(unsigned long inputs)
{
	uint64_t state = 88172645463325252u; /* xorshift64 */
	static uint8_t bytes[INPUT_MAX];
	unsigned long n;
	size_t size, i;

	for (n = 0; n < inputs; n++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		size = state % (n % 16 == 0 ? INPUT_MAX : 128);
		for (i = 0; i < size; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			bytes[i] = (uint8_t)state;
		}
		run(bytes, size);
	}
}

int
main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	if (!CHECK(argc == 3, "told a corpus and how many inputs to generate"))
		return tap_done();
	printf("# %u files of %s\n", run_files(argv[1]), argv[1]);
	CHECK(true, "every file of the corpus was survived");
	run_generated(strtoul(argv[2], NULL, 10));
	CHECK(true, "so were generated inputs");
	return tap_done();
}
