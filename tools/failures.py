"""Failures of edits, matches and some tasks, and why: texts of help pages, and commands that make their pictures."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Failure:
    """A failure of an edit, a match or a task."""

    text: str
    """What fails, why, and what to try."""
    image: str
    """Picture, a file of the repository."""
    mask: Box | None = None
    """Ellipse that is the mask (left, top, right, bottom); None: the transparency of the picture, if it has any."""
    flags: str = ""
    """Flags of the command."""
    reference: str | None = None
    """Reference of a match or a task, a file of the repository."""
    paste: tuple[str, Box, float] | None = None
    """Picture from which an ellipse is pasted where the mask begins: its file, the ellipse, and its scale."""
    shrunk: tuple[int, Box] | None = None
    """Factor by which the picture is scaled down first, and the part of it that is shown beside the results."""


SEEDS = "Results differ by seed: set num_outputs to 4 and take the best."

FAILURES = {
    "mix": Failure(
        "A blend of unlike colours is greyish, since its colours are between those of both pictures: here green leaves and "
        "brown wood become olive. Give one picture the colours of the other first (GPDM Match Look), or choose patchwork or "
        "scattered, which have the colours of both. Where the colours of two pictures do not overlap, a blend is not exactly "
        "midway. A single object, such as the flower, is cut and melted: textures and pictures of many small things mix best. "
        "Pictures at different scales do not grow together; resize one of them first.",
        "workflows/inputs/dahlia.jpg",
        flags="--mode blend --quality fast --height 128",
        reference="workflows/inputs/wood.jpg",
    ),
    "daub": Failure(
        "Small things of a strong colour, such as the red columns here, have no colour of their own: six colours are those of the "
        "large areas, and the blur has mixed the red with its surroundings. Raise colours to 12 or more and lower blur, or pick "
        "the missing colour from the picture itself while you paint.",
        "workflows/inputs/pavilion.jpg",
    ),
    "collage": Failure(
        "A bright sky beside a dark one: no patch of either is in between, so that the seam is a hard edge. Put pictures beside each other that are alike where they meet, bring their brightness "
        "together first (GPDM Match Look), or raise transition. A small picture beside a large one shrinks the large one, "
        "since none is enlarged.",
        "benchmarks/inputs/pier.jpg",
        flags="--height 128",
        reference="workflows/inputs/pavilion.jpg",
    ),
    "style_transfer": Failure(
        "With keep_colours a style of one colour gets those of a content of two, here green and orange, along its own grain: "
        "both colours turn up in the wrong places, with hard steps between them. Leave keep_colours at no, or connect a "
        "style whose colours vary as much as those of the content. A guide at all levels (layout 1) leaves coloured specks "
        "where the style has no such pattern of light and dark; 0.7 has few.",
        "workflows/inputs/dahlia.jpg",
        flags="--keep-colours yes --quality fast --height 128",
        reference="workflows/inputs/wood.jpg",
    ),
    "analogy": Failure(
        "A layout of many small differences in brightness, such as a face or fur, asks for patches that the other picture does not have: "
        "this one has one smooth sky and one building, whose patches are squeezed into shapes with coloured specks at their edges. Lower "
        "layout_scale, for example to 0.3, blur the layout first, or give patches of a picture that has many things of every brightness, "
        "such as stones, strokes or leaves.",
        "workflows/inputs/pavilion.jpg",
        flags="--quality fast --height 128",
        reference="workflows/inputs/cat.jpg",
    ),
    "inpaint": Failure(
        "Small things that stand apart, such as the stars here, do not occur in a filling that continues, since nothing at the "
        "border of the hole leads to them. Set intent to populate. A single thing that the mask covers or cuts, such as an eye, "
        "grows back as a smear at best, since no other patch shows it, and populate does not mend that: connect a picture that "
        f"shows it to references, or paint it roughly into the picture and set start to picture. {SEEDS}",
        "benchmarks/inputs/hubble.jpg",
        (90, 70, 210, 190),
    ),
    "remove": Failure(
        "Parts of an object outside the mask go on inside. Here the mask covers the cup and not its saucer, which grows into the "
        "hole. A shadow or a reflection outside the mask does the same. Paint over all of it, raise grow, or connect a mask of "
        f"the parts that must not be repeated to exclude. {SEEDS}",
        "benchmarks/inputs/coffee.jpg",
        (72, 12, 165, 100),
    ),
    "outpaint": Failure(
        "What the border cuts goes on with what the picture has: here fur and a second eye, and no chin or neck, which no patch "
        "shows. Connect a mask of what must not be repeated to exclude, connect a picture that shows the rest to references, add "
        f"less at a time, or crop the picture first, so that its border cuts no single object. {SEEDS}",
        "workflows/inputs/cat.jpg",
        flags="--bottom 120",
    ),
    "make_tileable": Failure(
        "Single objects at the border are cut, and the piece that covers a seam meets them: here a cup, its saucer and the edge "
        "of a table. Pictures of a surface, or with plain borders, tile. Crop to a part without single objects, tile one axis "
        f"only, or set band to other widths. {SEEDS}",
        "benchmarks/inputs/coffee.jpg",
    ),
    "harmonise": Failure(
        "Background that was pasted with the object remains where it differs a lot from what is around, here as a dark piece at the top: large "
        "differences may be a real edge, so that they are kept. Paint the mask closer to the object. "
        "The direction of light and shadows stay those of the other picture; match 0.5 helps with its colours only. Seeds "
        "change the edge alone; set num_outputs to 4 to compare some.",
        "benchmarks/inputs/pier.jpg",
        (20, 60, 110, 150),
        paste=("workflows/inputs/dahlia.jpg", (95, 45, 275, 225), 0.5),
    ),
    "boost": Failure(
        "With times above 4 objects run together, since more patches of them are asked for than whole objects have room: here "
        "with times 8. Lower times, raise coarse_dim for more variety, and paint closely around the object. "
        f"{SEEDS}",
        "workflows/inputs/dahlia_painted.png",
        flags="--times 8",
    ),
    "summarise": Failure(
        "A quarter of the width has no room for one large object: here the handle of the cup is lost, the saucer is cut, and what is "
        "round gets corners where its middle was left out. Thin things before a plain ground, such as masts, may vanish too: at half "
        "the width seam carving keeps more of them. Take a larger width_factor, paint a mask over what must stay, raise coarse_dim, "
        f"or scale or crop the picture first. {SEEDS}",
        "benchmarks/inputs/coffee.jpg",
        flags="--width-factor 0.25",
    ),
    "enlarge": Failure(
        "What is too small in the picture is not there to be enlarged: here, at factor 4, the struts of the masts. Edges come out clean, "
        "and fine lines and texture between them dissolve or look painted; small letters become sharper at factor 2 and stay unreadable "
        "at 4. Enlarge by 2 where you can. Blocks of a strongly compressed JPEG file, noise and grain count as detail and are enlarged "
        "too: at JPEG quality 30 bicubic interpolation is nearer to the truth. Remove them first, and add new grain with GPDM Match "
        "Grain. The same is true of crisp above factor 2 for some pictures. Single black or white pixels with hard edges may not come "
        "back exactly when the result is scaled down, since they would need values beyond black and white; the metrics say how many.",
        "benchmarks/inputs/rocket.jpg",
        flags="--factor 4",
        shrunk=(4, (0, 44, 120, 164)),
    ),
    "loop": Failure(
        "Straight lines and single objects bend like rubber: here the horizon and the pier, with sway. With shimmer faint copies "
        "of such edges come and go beside them. Letters, faces, buildings and regular bricks suffer most. Paint a mask of the "
        "part that moves, here the water beside the pier, or lower amount. Motion begins inside the edge of the mask, so that "
        "a part thinner than about a twentieth of the picture hardly moves. Nothing flows from place to place: sway goes to "
        "and fro, and shimmer stays where it is.",
        "benchmarks/inputs/pier.jpg",
        flags="--motion sway --frames 8",
    ),
    "match_look": Failure(
        "Colours are matched with their shares: half of this reference is sand, so half of the sky becomes sand. Take a reference in "
        "which colours have about the shares that they should have, leave out a part of it with a mask on GPDM Reference, paint a "
        "mask over the part of the picture that should change, lower strength, or set luminance to keep.",
        "benchmarks/inputs/rocket.jpg",
        reference="benchmarks/inputs/satellite.jpg",
    ),
    "match_grain": Failure(
        "A reference without smooth areas: its flattest parts are fine texture, here of a tissue, which is taken for grain and much "
        "too strong. Give a reference with sky, wall or another plain area, or mask the texture with GPDM Reference.",
        "workflows/inputs/canyon.jpg",
        reference="benchmarks/inputs/tissue.jpg",
    ),
    "saved_distribution": Failure(
        "Fine lines, such as whiskers and single hairs, break up and smear: the coherence term, which joins them, needs patches, "
        "and a file has none. Use the picture itself as reference where you have it. Regular patterns and single things fare "
        "no better than with a picture.",
        "workflows/inputs/cat.jpg",
        flags="--height 160",
    ),
    "material_texture": Failure(
        "Parts of several stones run together, and outlines turn odd (here at quality fast), since what is matched are small patches and not whole "
        "things; rows and lattices, such as those of bricks and tiles, may lose their order. GPDM Material Tileable keeps the "
        "given maps, which suits these better. For more of the given layout connect a GPDM Pyramid Schedule and set coarse_dim "
        f"below 21. {SEEDS}",
        "workflows/inputs/cobbles_base_color.png",
        flags="--width-factor 1 --height-factor 1 --tile both --quality fast --seed 2",
    ),
    "material_tileable": Failure(
        "Stones are cut where no line through the band leaves all of them whole: here some at the borders are made of two, with a "
        "step in the height between the halves, which the light shows. Raise band, or give larger maps, which have more pieces "
        f"to choose from. {SEEDS}",
        "workflows/inputs/cobbles_base_color.png",
        flags="--band 16 --preview 'two by two'",
    ),
    "material_inpaint": Failure(
        "Stones that the edge of the mask cuts go on with parts of others, of another color and height. Draw the mask along the "
        f"joints, so that whole stones are replaced, or set intent to populate. {SEEDS}",
        "workflows/inputs/cobbles_base_color.png",
        (30, 34, 126, 118),
    ),
    "match_texture": Failure(
        "A reference of hardly more than one colour: in its colours the picture loses what only differs in colour, here the flower "
        "on the leaves. Set colours to keep, or give a reference with as much contrast as the picture.",
        "workflows/inputs/dahlia.jpg",
        reference="workflows/inputs/wood.jpg",
    ),
    "patch_denoiser": Failure(
        "Parts meet that do not belong together: here a bush across the tower, and a soft seam where two guesses of "
        "what is there were averaged. Some results leave out much of the reference: by the gradient method the distance "
        "to it is a tenth. Take another seed, or lower coarse_dim to stay closer to it. Paint needs a patch_size of about 7, since larger "
        "patches do not follow what is painted. Style Transfer does not keep the content with a patch_size of 5, 7 or 15: use "
        "another quality there.",
        "workflows/inputs/pavilion.jpg",
        flags="--quality denoiser --coarse-dim 26 --height 104",
    ),
    "variety": Failure(
        "If variety is too high, patches that do not fit are taken because they are unused, and their mean is soft: here with 10 "
        "at quality draft, where fur and background run together. In a filled hole the same makes visible seams in smooth "
        "areas, such as sky and water. Lower it to 3, or to 1 in a hole. A picture of few large things has little else to show: "
        "a limit on repeats helps textures and landscapes more than faces.",
        "workflows/inputs/cat.jpg",
        flags="--quality draft --variety 10 --height 96",
    ),
    "lattice": Failure(
        "With a coarse_dim so low that rows of the pattern have only two or three pixels at the coarsest level, some joints bend "
        "and some bricks become longer: here with 21. Raise it, to 40 for these bricks. Patterns seen at an angle, and "
        "those whose period changes, such as cobbles, have no lattice and are refused.",
        "workflows/inputs/bricks.png",
        flags="--source lattice --coarse-dim 21 --quality fast",
    ),
    "resume": Failure(
        "What is painted is made of patches of the reference, also where it has none like it: a disc in a colour that "
        "the reference lacks becomes whatever is nearest, and may be lost. Paint in colours of the reference, as large "
        "as what is to be there, and after one of the first levels, at which the layout is still open.",
        "workflows/inputs/pavilion_stopped_painted.png",
        (120, 20, 175, 75),
        flags="--height 192 --seed 5 --quality fast --stop-after 3",
    ),
    "canvas": Failure(
        "A single thing is not put into the middle: here the mirrors and the border cut the flower, and the middle is empty. Other "
        "seeds may do better; textures and pictures of many small things suit best. What has one "
        "direction in the reference, such as the grain of wood, letters or a horizon, has no patches for the turned parts, and "
        "looks combed there; rotate 180 and the mirrors turn least. At the mirrors of a kaleidoscope and of mirrored tiles "
        "shapes become butterflies.",
        "workflows/inputs/dahlia.jpg",
        flags="--symmetry 'kaleidoscope 6' --height 192 --output-width 192 --output-height 192 --quality fast",
    ),
}
"""A failure of each edit, match and record of materials by its name, of saved distributions, of painting in a run, and
of a symmetry.
"""
