// Asks a server by Cohere's and OpenAI's own clients: `node ask.js URL KEY RERANKER EMBEDDER`. Prints what they made of it as JSON.
import { CohereClient, CohereClientV2 } from "cohere-ai";
import OpenAI from "openai";

const [url, key, reranker, embedder] = process.argv.slice(2);
const options = { token: key, environment: url, maxRetries: 0 };
const ask = {
  model: reranker,
  query: "capital of France",
  documents: ["Bananas are yellow.", "Paris is the capital of France."],
};
const openai = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
const clients = { v1: new CohereClient(options), v2: new CohereClientV2(options) };
const found = {};

async function failure(call) {
  try {
    await call();
  } catch (error) {
    return { name: error.constructor.name, status: error.statusCode ?? error.status, message: error.message };
  }
  return null;
}

for (const [name, client] of Object.entries(clients)) {
  found[name] = (await client.rerank(ask)).results.map((result) => result.index);
  found[`${name} error`] = await failure(() => client.rerank({ ...ask, query: "" }));
}
found.models = (await openai.models.list()).data.map((model) => model.id);
const answer = await openai.embeddings.create({ model: embedder, input: ["a", "b"] });
found.width = answer.data.map((each) => each.embedding.length);
found.length = Math.hypot(...answer.data[0].embedding);
found["openai error"] = await failure(() => openai.embeddings.create({ model: embedder, input: [""] }));
console.log(JSON.stringify(found));
