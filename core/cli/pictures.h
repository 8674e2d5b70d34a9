/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the demo feeds to the thumbnail plugin: the pictures of a folder, drawn ones where there are none,
 * and files that are broken on purpose.
 */
#ifndef QUERN_CLI_PICTURES_H
#define QUERN_CLI_PICTURES_H

#include <stddef.h>
#include <stdint.h>

struct pictures {
    char **paths; /* absolute */
    size_t count;
};

/* The JPEG, PNG, WebP, GIF, AVIF and TIFF files beneath `dir`, sorted. 0 or a negative errno. */
__attribute__((warn_unused_result)) int pictures_find(const char *dir, struct pictures *ret);
void pictures_done(struct pictures *p);

/* Draws `count` PNGs into `dir`. */
__attribute__((warn_unused_result)) int pictures_draw(const char *dir, size_t count);
/* One of 12 megapixels. */
__attribute__((warn_unused_result)) int pictures_draw_large(const char *dir, const char *name);

struct broken {
    const char *name; /* of the file */
    const char *what; /* is wrong, for people */
};
#define BROKEN_COUNT 4
extern const struct broken broken_files[BROKEN_COUNT];
/* Writes them into `dir`. `sample`: a good picture, for the one that is cut in half. */
__attribute__((warn_unused_result)) int pictures_break(const char *dir, const char *sample);

#endif
