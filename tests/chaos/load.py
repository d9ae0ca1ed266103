"""Jobs of every type, as a gateway would order them."""

import json
import random
import uuid

TYPES = ("podcast_generation", "snippet_generation", "search_results_generation", "topic_exploration",
         "landing_page_snippets", "popular_categories")
SHARES = (30, 25, 10, 10, 10, 15)  # percent


def body(type_, key, rng):
    if type_ == "podcast_generation":
        return {"topic": f"The story of {key}", "task_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "client_id": "chaos"}
    if type_ == "snippet_generation":
        return {"topic_info": {"topic_id": f"topic-{key}", "title_suggestion": f"What {key} is about"}}
    if type_ == "search_results_generation":
        return {"query": f"all about {key}"}
    if type_ == "topic_exploration":
        return {"keywords": [key, "history"], "depth_mode": "deeper"}
    if type_ == "landing_page_snippets":
        return {"limit": rng.randint(1, 4)}
    return {"limit": rng.randint(1, 6)}


def job(type_, key, rng, **more):
    return (type_, key, str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            json.dumps({**body(type_, key, rng), **more}))


def jobs(name, part, n):
    """n jobs; the same name and part are the same jobs."""
    rng = random.Random(f"{name}.{part}")
    return [job(type_, f"{name}-{part}-{i}", rng)
            for i, type_ in enumerate(rng.choices(TYPES, SHARES, k=n))]
